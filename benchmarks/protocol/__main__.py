"""`python -m benchmarks.protocol`."""

from benchmarks.protocol.bench_protocol import main

main()
