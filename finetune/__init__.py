"""Everything that learns: questions, and the encoder, reranker, evidence ranker and adapter learned from them."""
