"""What a model is: raw text and bytes to input, networks on a runtime, fusion, and the bundle that holds them."""
