-- Each statement sees what others have committed: the roll-up takes a lock, and reads what its last holder wrote.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE
