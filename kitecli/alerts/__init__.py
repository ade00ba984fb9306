"""What people are told who aren't looking: by Telegram, or by a webhook; docs/logs.md has the settings.

``plan``: what is told, and to whom; ``policy``: which of it, and how often, sans I/O; ``messages``: in which words;
``delivery``: one alert to one channel; ``sender``: a thread that delivers.
"""
