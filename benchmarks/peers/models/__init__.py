"""One peer a module.

Each has ``grid(task, limit)``, the settings to try within ``limit`` seconds, best guess first, and ``fit(matrix,
options, seed, judge)``, which returns a function from users to scores, shape ``(u, n_items)``, and what was chosen on
the way (a number of epochs, say) or is worth telling. ``judge`` gives the NDCG of such a function on the validation
part; it is None when there is nothing left to choose. A module that uses it says ``CHOOSES = True``.
"""
