"""Networks evaluated exactly, region by region, by compiled code; and what the compiled operators are made of."""
