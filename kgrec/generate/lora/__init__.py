"""Fine-tuning of language models on a workspace's texts, by low-rank adapters."""
