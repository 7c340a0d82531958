"""Array backends: one file per framework, imported when the framework is first used."""
