"""The one loop, its journal, tables and predictors; knows neither torch nor Ray."""
