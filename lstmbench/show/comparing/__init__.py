"""Two runs held against each other: which cases, by what, with which verdict, and the page that says so."""
