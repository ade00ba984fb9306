"""One file per verb: parse, call one function, render.

These modules import nothing but typer and the standard library at their top; everything heavy is imported inside the
function that needs it, because ``kite --help`` and shell completion load every one of them.
"""
