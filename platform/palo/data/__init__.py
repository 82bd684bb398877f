"""What training reads: records, samples, the manifest, and the plan and loader of batches.

A record is a clean conversation with at most one image, a sample is its token ids. The plan deals
samples to steps, ranks and rows by its seed alone; the loader reads them ahead and collates
batches.
"""
