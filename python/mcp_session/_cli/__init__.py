"""The command line: reads recordings, asks the core what they mean, and prints it.

It decides nothing. `commands` is what is called; `inputs` finds and reads the files, `har` and
`curl` know their formats; `classify` and `story` print.
"""
