"""One policy-gradient algorithm a file; each only says by what factor it weighs A grad log pi."""
