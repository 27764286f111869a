"""Graph neural network over users, items and entities: linear propagation, texts, softmax over the catalogue."""
