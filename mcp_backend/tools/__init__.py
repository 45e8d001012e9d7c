"""The tools of the server: `tables` reads the tables, `analysis` computes from them with `indicators`."""
