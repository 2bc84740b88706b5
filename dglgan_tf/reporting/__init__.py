"""The compression report: one HTML file with pictures, scores, costs and curves."""
