"""AutoGraph: Python control flow on tensors, rewritten into operations."""
