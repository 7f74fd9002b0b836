"""`python -m footpath` is the command `footpath`; torchrun starts it so: `torchrun --nproc-per-node 2 -m footpath train ...`."""

from footpath.cli.main import main

main()
