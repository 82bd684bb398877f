"""What can be told of an answer without a judge."""
