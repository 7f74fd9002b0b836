"""The door to language models: back ends, schemas, cache, budget, and what leaves the machine."""
