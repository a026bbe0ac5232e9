"""Learning from questions whose answer is known: so far the weights of the reranker."""
