"""What is learned: data with weights, their spectra, readers of files, named signals, held-out splits.

Imports only :mod:`fefreq.support`.
"""
