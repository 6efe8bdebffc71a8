"""Where the rooms meet: one file per word of the story, each introducing rooms to one another."""
