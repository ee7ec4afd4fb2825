"""A tokenizer's vocabulary as bytes and as a trie."""
