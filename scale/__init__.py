"""Many rows: a workflow for every row of a table, and the papers' measures over thousands of captions, on Ray."""
