"""A student's widths and first weights, from a teacher and a budget."""
