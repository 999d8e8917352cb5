"""Tests of proxies and certificates of the environment."""
