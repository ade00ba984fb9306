"""The broker's REST interface, as far as starting a feed needs it. Nothing of it runs beside a live feed."""
