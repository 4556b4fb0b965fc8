"""The settings and results of a run as frozen data. No torch, no Ray, no pandas.

Every ``@validated`` class refuses a field out of range with a ValueError that gives the rule and the value.
"""
