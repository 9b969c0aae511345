"""Batches on Ray: a workflow for every row of a table, and the papers' metrics over thousands of captions."""
