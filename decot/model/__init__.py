"""What maps a row of numbers to words and a decision."""
