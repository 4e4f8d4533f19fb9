"""Whether the rows of both sides are alike, while one of them takes writes."""
