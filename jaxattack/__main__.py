"""`python -m jaxattack` is the command `jaxattack`."""

from jaxattack.cli import main

main()
