"""From judged answers to scores with their intervals, comparisons, and the paper's tables."""
