"""The flows `download_item`, `download_collection` and `download_item_collection`."""
