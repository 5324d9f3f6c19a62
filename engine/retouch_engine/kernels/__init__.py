"""Kernels: loops over the pixels of one spot, compiled as a whole.

A heal of 20 px is some thousands of pixels, and numpy needs a microsecond for each of the many small calls
that it takes to look at them: the calls cost more than the work. So what is done for each spot is compiled
here, and nowhere else: plain loops over typed arrays, which know nothing of skin and decide nothing. Where
OpenCV has one call for a thing (blurs, distances, dilations) it stays OpenCV's.

Compiled for the processor it runs on, but without fast-math and without threads: sums are added up in the
order that is written, so the same input gives the same bytes on every run. A kernel holds no lock of
Python's: threads that heal different spots really run beside each other.
"""
