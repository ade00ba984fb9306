"""The feed as a library: subscribe by name, get ticks by callback, on threads of the service's own.

``data_feed`` is what users see and ``run`` one start-to-stop of it; ``supply`` decides which tick comes next,
``callbacks`` calls users' functions and ``failures`` reports what they raise; ``interest`` is what they want streamed,
``venue`` where it comes from, ``statistics`` what is told of it. ``opening`` gives a bare feed to iterate over.
"""
