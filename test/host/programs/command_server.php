<?php echo shell_exec("date; sleep 2; uptime | cat");
