"""Arrays of a shard on disk: Zarr v3 and HDF5, read and written."""
