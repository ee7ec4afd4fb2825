"""Task plug-ins: found, hashed, imported, checked and begun; nothing here knows a model or an engine."""
