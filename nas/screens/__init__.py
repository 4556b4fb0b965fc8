"""The terminal: what a person sees while a run is in progress and when it is over."""
