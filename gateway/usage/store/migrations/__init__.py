"""The schema of the usage database: numbered SQL files, how they are applied, and how a cluster changes them."""
