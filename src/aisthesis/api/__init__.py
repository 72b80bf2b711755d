"""What the package offers as plain functions of labelled arrays, beside whole studies."""
