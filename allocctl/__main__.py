"""`python -m allocctl`."""

from allocctl.main import main

main()
