"""The server driven from outside, and the rules its code keeps."""
