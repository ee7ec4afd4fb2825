"""What is read of a model before an engine loads it: folder, tokenizer, template, marks of its thinking."""
