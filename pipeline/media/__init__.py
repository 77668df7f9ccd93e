"""What an item is: decoding, encoding, previews. Images now."""
