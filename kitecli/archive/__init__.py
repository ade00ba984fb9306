"""Recordings as people ask for them: which days there are, their ticks by name, tables out of them and into them."""
