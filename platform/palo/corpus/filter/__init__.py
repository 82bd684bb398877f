"""The third stage: duplicates and the mixture decide which records stay."""
