"""Parts of the benchmark; tools/bench/run puts them together."""
