"""What a table is: the columns, their types, their laws. Knows nothing of how tables are made or used."""
