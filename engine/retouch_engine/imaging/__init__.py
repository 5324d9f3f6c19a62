"""Crops, densities, bands and masks: arithmetic on arrays with no opinion about skin.

Functions take arrays and give new ones; nothing here knows a photo, a spot or a healer.
"""
